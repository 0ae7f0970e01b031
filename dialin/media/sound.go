package media

// Sound is 16-bit, mono, Rate samples a second. It is not changed once made.
type Sound []int16
