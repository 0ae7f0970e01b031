// Package room takes a telephone into a video meeting: its voice becomes one
// participant's, under the name the host admitted, and the voices of all the
// others become the one that the caller hears.
//
// It refuses whatever is not sound: pictures are not asked for, chat is not
// read. It joins with the pass of one admission and no other right, keeps no
// token, and believes no packet of a participant so much that a bad one could
// end the call of another.
package room
