"""The life of kernels: finding, starting, driving and ending them."""
