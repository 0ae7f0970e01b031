package ca

var (
	NewRoot = newRoot
	NewLeaf = newLeaf
	Sign    = sign
)
