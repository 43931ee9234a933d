# Sourced by the scripts of this folder: where the CUDA libraries of this machine are.
#   SINKLORA_CUDA_LIBRARIES  folders with them, separated by ':'; also the site-packages folder of a
#                            Python that has the nvidia-… packages
#   CUDA_HOME                a CUDA toolkit
#   SINKLORA_CACHE           receives compiled kernels and unpacked libraries

cuda_paths=
add_cuda_path() {
  if [[ -d $1 && ":$cuda_paths:" != *":$1:"* ]]; then
    cuda_paths=${cuda_paths:+$cuda_paths:}$1
  fi
}

IFS=: read -r -a given_folders <<< "${SINKLORA_CUDA_LIBRARIES:-}"
for given in ${given_folders[@]+"${given_folders[@]}"}; do
  add_cuda_path "$given"
  for found in "$given"/nvidia/*/lib; do
    add_cuda_path "$found"
  done
done
if [[ -n ${CUDA_HOME:-} ]]; then
  add_cuda_path "$CUDA_HOME/lib64"
fi
for found in /usr/local/cuda/lib64 /usr/local/cuda*/targets/*-linux/lib; do
  add_cuda_path "$found"
done
if [[ -n $cuda_paths ]]; then
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$cuda_paths
fi

if [[ -z ${SINKLORA_CACHE:-} ]]; then
  SINKLORA_CACHE=${XDG_CACHE_HOME:-${HOME:-$root}/.cache}/sinklora
fi

# Pinned memory for the GPU counts as memory of the process, which JavaCPP would limit.
java_options=(
  -Dorg.bytedeco.javacpp.maxBytes=0
  -Dorg.bytedeco.javacpp.maxPhysicalBytes=0
  --add-modules=jdk.incubator.vector
  -Dai.djl.offline=true
  -DOPT_OUT_TRACKING=true
  -DDJL_CACHE_DIR="$SINKLORA_CACHE"
  -Dsinklora.cache="$SINKLORA_CACHE"
  -Dsinklora.cuda.cache="$SINKLORA_CACHE/kernels"
  -Dorg.bytedeco.javacpp.cachedir="$SINKLORA_CACHE/javacpp"
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
)
