package cert

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap/zapcore"
)

// core hands what certmagic says to slog. Of its fields only those that name
// no visitor and no account are kept.
type core struct {
	zapcore.LevelEnabler
	with []zapcore.Field
	say  func(level slog.Level, attrs ...slog.Attr)
	// hide is the account's address, which certmagic writes into its errors.
	hide string
}

func newCore(ctx context.Context, l *slog.Logger, hide string) core {
	return core{
		hide:         strings.ToLower(hide),
		LevelEnabler: zapcore.InfoLevel,
		say: func(level slog.Level, attrs ...slog.Attr) {
			l.LogAttrs(ctx, level, "certmagic", attrs...)
		},
	}
}

// With implements zapcore.Core.
func (c core) With(fields []zapcore.Field) zapcore.Core {
	c.with = slices.Concat(c.with, fields)
	return c
}

// Check implements zapcore.Core.
func (c core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(c.with, fields) {
		switch f.Key {
		case "identifier", "identifiers", "subject", "subjects", "issuer", "ca", "challenge", "challenge_type",
			"attempt", "retrying_in", "elapsed", "remaining", "error", "status_code", "problem":
			f.AddTo(enc)
		}
	}
	attrs := []slog.Attr{slog.String("says", e.Message)}
	for _, key := range slices.Sorted(maps.Keys(enc.Fields)) {
		value := enc.Fields[key]
		if text, ok := value.(string); ok {
			value = c.redact(text)
		}
		attrs = append(attrs, slog.Any(key, value))
	}
	level := slog.LevelDebug // its Info is every step of an order
	switch {
	case e.Level >= zapcore.ErrorLevel:
		level = slog.LevelError
	case e.Level == zapcore.WarnLevel:
		level = slog.LevelWarn
	}
	c.say(level, attrs...)
	return nil
}

func (c core) redact(text string) string {
	if c.hide == "" {
		return text
	}
	return strings.ReplaceAll(text, c.hide, "«account»")
}

// Sync implements zapcore.Core.
func (core) Sync() error { return nil }
