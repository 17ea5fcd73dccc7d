-- What the platform has refused is listed, newest first: all of it, and that of a device. Other rows of `forward` are in neither index.
CREATE INDEX forward_refused_message ON forward (message) WHERE outcome = 'refused';
CREATE INDEX forward_refused_device ON forward (device, message) WHERE outcome = 'refused';
