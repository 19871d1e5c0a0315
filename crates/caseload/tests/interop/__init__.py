"""Has clients that are not ours drive a running system; docs/INTEROP.md describes it."""
