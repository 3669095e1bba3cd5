"""From a Problem to what our library is asked, and back; read kernel, launch, encode, binding."""
