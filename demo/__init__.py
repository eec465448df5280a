"""What `make demo` runs: the main job, on this kernel and on ours."""
