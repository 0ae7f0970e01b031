package web_test

import (
	"strings"
	"testing"

	"vestibule/meeting"
	"vestibule/web"
)

// assured are cards of persons whose providers told how strongly they signed
// in, with every word that has one of ours and two that have none.
func assured() []web.Card {
	ways := map[string]string{
		"eidas1": "pwd otp totp sms tel mail", "http://eidas.europa.eu/LoA/substantial": "sc pop pin kba mfa mca hwk fido swk",
		"eidas3": "face fpt wia", "gold": "telepathy rsa",
	}
	var cards []web.Card
	for _, acr := range []string{"eidas1", "http://eidas.europa.eu/LoA/substantial", "eidas3", "gold"} {
		p := meeting.Person{Name: "Jeanne Moreau", Evidence: meeting.Evidence{
			Method: meeting.OIDC, Provider: "ProConnect", Organisation: "Mairie de Toulouse", ACR: acr, AMR: strings.Fields(ways[acr]),
		}}
		cards = append(cards, web.Card{Admission: "ad-" + acr[:min(len(acr), 4)], Invited: "J. M.", Name: "Jeanne Moreau", Proof: web.ProofOf(p)})
	}
	return cards
}

// A host reads who vouches and how strongly, in words and in their language.
func TestAssuranceInWords(t *testing.T) {
	p, err := web.New(web.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := consolePage()
	c.Waiting = assured()
	for lang, want := range map[string][]string{
		"fr": {
			"ProConnect, Mairie de Toulouse", "Niveau de garantie\u00a0: substantiel (eIDAS)", "Niveau de garantie, selon le fournisseur\u00a0: <bdi>gold</bdi>",
			"Connexion avec\u00a0: un mot de passe, un code à usage unique, un appel ou un SMS, un code reçu par courriel</p>", "<bdi>telepathy</bdi>, une clé ou un certificat</p>",
		},
		"en": {"Assurance level: high (eIDAS)", "Signed in with: a smart card, a key or certificate, a PIN, questions, several factors, a security key, a key on the device</p>"},
	} {
		page := string(render(t, p, lang, c))
		for _, w := range want {
			if !strings.Contains(page, w) {
				t.Errorf("%s: the console lacks %q", lang, w)
			}
		}
	}
}
