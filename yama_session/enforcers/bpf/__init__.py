"""The BPF programs that keep scope domains on a stock kernel; importing this needs no libbpf."""
