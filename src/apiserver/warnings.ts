// Warning headers, which kubectl prints. https://www.rfc-editor.org/rfc/rfc7234#section-5.5

const MAX_LENGTH = 512;

/** `299 - "text"`, in characters that a header may have. */
export function warningHeader(text: string): string {
  const line = text.replace(/\s+/g, ' ').replace(/[^\x20-\x7e]/g, '?');
  const short = line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH - 3)}...`;
  return `299 - "${short.replace(/["\\]/g, '\\$&')}"`;
}
