"""Golden pictures, and the gate that an engine passes only if it sees them as FP32 does."""
