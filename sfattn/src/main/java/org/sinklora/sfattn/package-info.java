package org.sinklora.sfattn;
