"""What makes a step faster: devices, recording, several processes, threads. Results stay equal."""
