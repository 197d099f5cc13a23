"""U²-Netp (Qin et al., 2020): finds the subject of a picture, on OpenCV alone, with weights that ship with perkie."""
