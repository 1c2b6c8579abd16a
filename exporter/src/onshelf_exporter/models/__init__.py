"""The models, as PyTorch modules whose forward is exactly what the ONNX graph computes."""
