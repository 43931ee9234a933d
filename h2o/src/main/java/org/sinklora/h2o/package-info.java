package org.sinklora.h2o;
