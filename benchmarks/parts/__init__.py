"""What benchmarks are made of; the files beside this folder are the ones to run."""
