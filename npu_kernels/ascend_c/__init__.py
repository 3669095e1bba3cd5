"""From a Problem to what our library is given, and back; read kernel, launch, encode, binding."""
