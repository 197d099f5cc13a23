"""InSPyReNet (Kim et al., ACCV 2022), the network of the transparent-background package, on torch or ONNX Runtime."""
