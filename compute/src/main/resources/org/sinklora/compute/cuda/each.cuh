// The loop of kernels that treat every element alike. Put in front of the sources that name it, behind
// elements.cuh.

template <int N> struct Count {
  static constexpr int n = N;
};

template <class... P> __device__ inline bool aligned(P... p) {
  return ((... | (unsigned long long)p) & 15) == 0;
}

// body(Count<8>, first element) over whole eights where all pointers allow it, body(Count<1>,
// element) over the rest; any grid covers any n.
template <class Body> __device__ inline void forEach(long long n, bool eights, Body body) {
  long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  long long threads = (long long)gridDim.x * blockDim.x;
  long long packs = eights ? n / 8 : 0;
  for (long long i = thread; i < packs; i += threads) {
    body(Count<8>{}, i * 8);
  }
  for (long long i = packs * 8 + thread; i < n; i += threads) {
    body(Count<1>{}, i);
  }
}
