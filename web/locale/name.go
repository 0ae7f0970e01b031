package locale

// Participant is what others are shown of somebody whose name nobody knows.
func Participant(lang string) string {
	if lang == "fr" {
		return "Participant·e"
	}
	return "Participant"
}
