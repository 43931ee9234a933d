package org.sinklora.lora;
