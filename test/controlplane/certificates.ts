// Certificates made on the spot: `{{certificate NAME}}` and `{{key NAME}}` in a golden's input, and back again in its output.

import { type Credential, issueCertificate } from '../../src/apiserver/pki/issue.ts';

const made = new Map<string, Promise<Credential>>();

/** A self-signed certificate for a name with its key; the same for the same name. */
function credentialOf(name: string): Promise<Credential> {
  let credential = made.get(name);
  if (credential === undefined) {
    credential = issueCertificate({ commonName: name, use: 'server' });
    made.set(name, credential);
  }
  return credential;
}

const PLACEHOLDER = /\{\{(certificate|key) ([^}]+)\}\}/g;

/** Puts real material (PEM in base64, as a Secret's data is) in the place of placeholders; `hide` turns it back. */
export async function fillIn(text: string): Promise<{ text: string; hide: (text: string) => string }> {
  const replacements = new Map<string, string>();
  for (const [placeholder, what, name] of text.matchAll(PLACEHOLDER)) {
    const credential = await credentialOf(name as string);
    replacements.set(placeholder, Buffer.from(credential[what as keyof Credential]).toString('base64'));
  }
  let filled = text;
  for (const [placeholder, value] of replacements) filled = filled.replaceAll(placeholder, value);
  return {
    text: filled,
    hide: (output) => {
      let hidden = output;
      for (const [placeholder, value] of replacements) hidden = hidden.replaceAll(value, placeholder);
      return hidden;
    },
  };
}
