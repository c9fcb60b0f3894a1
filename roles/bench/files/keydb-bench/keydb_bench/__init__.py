"""What a run of the benchmark does on one host. The standard library only: it runs where nothing was installed."""
