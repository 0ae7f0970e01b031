//go:build !race

package sfu_test

const expulsions = 100
