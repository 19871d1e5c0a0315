"""Real proxies between the programs, and between callers and them, while connections and servers fail."""
