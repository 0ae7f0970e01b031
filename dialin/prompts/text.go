package prompts

import (
	"maps"
	"slices"
)

// The languages there are recordings in.
const (
	French  = "fr"
	English = "en"
)

// Languages lists them.
func Languages() []string { return []string{French, English} }

// text is one thing to say.
type text struct{ fr, en string }

// texts are what is said, by name; docs/OPERATING.md shows them to whoever
// records a voice of their own.
func texts() map[string]text {
	return map[string]text{
		"greet": {
			"Bonjour. Vous êtes à l'accueil téléphonique des réunions. L'organisateur verra votre numéro d'appel.",
			"Hello. You have reached the meetings desk. The host will see the number you are calling from.",
		},
		"number":   {"Composez le numéro de la réunion, puis dièse.", "Please enter the meeting number, followed by hash."},
		"code":     {"Composez votre code personnel, puis dièse.", "Please enter your personal code, followed by hash."},
		"nothing":  {"Nous n'avons rien reçu.", "We have not received anything."},
		"wrong":    {"Ce numéro ou ce code ne convient pas.", "That number or that code is not right."},
		"patience": {"Beaucoup d'appels arrivent en ce moment. Restez en ligne.", "Many calls are coming in just now. Please hold."},
		"hold": {
			"Vous êtes bien arrivé. L'organisateur n'est pas encore là. Restez en ligne, la réunion s'ouvrira d'elle-même.",
			"You are in the right place. The host is not here yet. Please stay on the line: the meeting will open by itself.",
		},
		"waiting": {
			"L'organisateur est prévenu. Il vous fera entrer dans un instant.",
			"The host has been told. They will let you in shortly.",
		},
		"welcome": {
			"Vous entrez dans la réunion. Étoile six coupe votre micro, et le rétablit.",
			"You are entering the meeting. Star six turns your microphone off, and on again.",
		},
		"muted":      {"Votre micro est coupé. Faites étoile six pour parler.", "Your microphone is off. Press star six to speak."},
		"unmuted":    {"On vous entend.", "You can be heard."},
		"bye":        {"Au revoir.", "Goodbye."},
		"too_early":  {"La réunion n'est pas encore ouverte. Rappelez un peu plus tard.", "The meeting is not open yet. Please call again a little later."},
		"over":       {"La réunion est terminée.", "The meeting has ended."},
		"called_off": {"La réunion est annulée.", "The meeting has been cancelled."},
		"by_host": {
			"L'organisateur ne vous a pas fait entrer. Si c'est une erreur, contactez-le.",
			"The host has not let you in. If this is a mistake, please contact them.",
		},
		"removed": {
			"Vous avez été retiré de la réunion. Si c'est une erreur, contactez l'organisateur.",
			"You have been removed from the meeting. If this is a mistake, please contact the host.",
		},
		"locked": {"La réunion est verrouillée. Plus personne ne peut y entrer.", "The meeting is locked. Nobody else can come in."},
		"in_use": {"Ce code sert déjà à un autre appel.", "This code is already in use on another call."},
		"old_call": {
			"Ce code sert encore à un autre appel. Si c'est le vôtre et qu'il a été coupé, restez en ligne.",
			"This code is still in use on another call. If that was yours and the line dropped, please hold.",
		},
		"no": {
			"Cette invitation ne permet pas d'entrer par téléphone. Utilisez le lien que vous avez reçu.",
			"This invitation cannot be used by telephone. Please use the link that you were sent.",
		},
		"busy": {
			"Un problème de notre côté. Rien n'est perdu, rappelez dans une minute.",
			"There is a problem on our side. Nothing is lost: please call again in a minute.",
		},
	}
}

// Names lists everything that can be said.
func Names() []string { return slices.Sorted(maps.Keys(texts())) }

// Text is what is said, for whoever reads instead of hearing, and for whoever
// records it; empty for a language or name that there is not.
func Text(lang, name string) string {
	switch lang {
	case French:
		return texts()[name].fr
	case English:
		return texts()[name].en
	}
	return ""
}
