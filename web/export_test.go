package web

import "html/template"

// Watched returns pages that report each text they use.
func Watched(c Config, used func(key string)) (*Pages, error) {
	p, err := New(c)
	if err != nil {
		return nil, err
	}
	for lang := range p.sets {
		set, err := compileWith(lang, p.static, func(f template.FuncMap) {
			for _, name := range []string{"t", "ts"} {
				switch say := f[name].(type) {
				case func(string, ...any) (template.HTML, error):
					f[name] = func(k string, args ...any) (template.HTML, error) { used(k); return say(k, args...) }
				case func(string, ...any) (string, error):
					f[name] = func(k string, args ...any) (string, error) { used(k); return say(k, args...) }
				}
			}
		})
		if err != nil {
			return nil, err
		}
		p.sets[lang] = set
	}
	return p, nil
}
