-- One database a service; the image itself makes "auth".
CREATE DATABASE catalog;
CREATE DATABASE telemetry;
