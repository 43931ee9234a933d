package org.sinklora.data;
