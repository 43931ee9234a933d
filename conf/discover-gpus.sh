#!/usr/bin/env bash
# Tells Spark which GPUs a host has, as spark.{worker,executor}.resource.gpu.discoveryScript asks:
#   {"name": "gpu", "addresses": ["0", "1"]}
# The numbers are nvidia-smi's, those of the bus: CUDA_DEVICE_ORDER=PCI_BUS_ID makes CUDA count alike.
set -euo pipefail

numbers=$(nvidia-smi --query-gpu=index --format=csv,noheader | tr -d ' \r')
addresses=
for number in $numbers; do
  addresses+="${addresses:+, }\"$number\""
done
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
