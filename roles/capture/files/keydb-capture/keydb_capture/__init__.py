"""Says what a capture of the cluster network shows. Runs on the controller, on what capture.yml has brought."""
