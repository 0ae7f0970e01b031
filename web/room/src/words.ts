// The page's words, in the visitor's language.
import { createContext, useContext } from "react";
import en from "../locale/en.json";
import fr from "../locale/fr.json";

export type Word = keyof typeof en;
export type Lang = "en" | "fr";
export type Say = (word: Word, values?: Record<string, string | number>) => string;

const catalogues: Record<Lang, Record<Word, string>> = { en, fr };

/** language takes what the server says ("fr", "fr-FR", anything) and never fails. */
export function language(tag: string | undefined): Lang {
  return tag?.toLowerCase().startsWith("fr") ? "fr" : "en";
}

export function speaker(lang: Lang): Say {
  return (word, values = {}) =>
    catalogues[lang][word].replace(/\{(\w+)\}/g, (hole, key: string) => String(values[key] ?? hole));
}

export const SayContext = createContext<Say>(speaker("en"));
export const useSay = () => useContext(SayContext);
