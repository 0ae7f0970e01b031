// When the button that was pressed has gone with its page, the keyboard and the
// screen reader go on at the new page's start, not at the top of the document.
import { useEffect, useRef } from "react";

export function useFocus<E extends HTMLElement>() {
  const ref = useRef<E>(null);
  useEffect(() => {
    ref.current?.focus({ preventScroll: true });
  }, []);
  return ref;
}
