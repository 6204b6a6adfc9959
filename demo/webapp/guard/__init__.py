"""What stands between the network and Gradio: every request passes ``middleware.Guard`` first."""
