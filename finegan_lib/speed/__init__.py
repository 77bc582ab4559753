"""What makes a step quick: devices, recording, several processes, threads. Changes no result."""
