// Certificates for servers and clients, made on the spot, once a run: servers sign themselves, clients are signed by the CA they name.

import {
  type Authority,
  type CertificateRequest,
  type Credential,
  createAuthority,
  issueCertificate,
} from '../../src/apiserver/pki/issue.ts';

/** All certificates of a run, by name. */
export class Certificates {
  readonly #servers = new Map<string, Promise<Credential>>();
  readonly #authorities = new Map<string, Promise<Authority>>();
  readonly #clients = new Map<string, Credential>();

  /** Puts PEM in base64 in the place of `{{certificate NAME}}`, `{{key NAME}}` (of a server) and `{{ca NAME}}`. */
  async fillIn(text: string): Promise<string> {
    let filled = text;
    for (const [placeholder, what, name = ''] of text.matchAll(/\{\{(certificate|key|ca) ([^}]+)\}\}/g)) {
      const credential = await (what === 'ca' ? this.#authority(name) : this.server(name));
      const pem = what === 'key' ? credential.key : credential.certificate;
      filled = filled.replaceAll(placeholder, Buffer.from(pem).toString('base64'));
    }
    return filled;
  }

  /** The certificate of a server with this name. */
  server(name: string): Promise<Credential> {
    return remember(this.#servers, name, () => issueCertificate({ commonName: name, use: 'server' }));
  }

  /**
   * Makes the client certificate `NAME of CA`: `alice of clients` is signed by the CA `clients`. `alice (alice.example spiffe://mesh/alice) of
   * clients` has these subjectAltNames in place of its common name.
   */
  async prepareClient(name: string): Promise<void> {
    if (this.#clients.has(name)) return;
    const [, commonName = '', names, authority = ''] = /^(\S+)(?: \((.*)\))? of (.+)$/.exec(name) ?? [];
    const listed = names?.split(' ').filter(Boolean);
    const request: CertificateRequest = {
      commonName,
      use: 'client',
      ...(listed && {
        dnsNames: listed.filter((each) => !each.includes('://')),
        uris: listed.filter((each) => each.includes('://')),
      }),
    };
    this.#clients.set(name, await issueCertificate(request, await this.#authority(authority)));
  }

  /** A client certificate that was prepared. */
  client(name: string): { cert: string; key: string } {
    const credential = this.#clients.get(name);
    if (credential === undefined) throw new Error(`there is no client certificate ${name}`);
    return { cert: credential.certificate, key: credential.key };
  }

  #authority(name: string): Promise<Authority> {
    return remember(this.#authorities, name, () => createAuthority(name));
  }
}

function remember<T>(map: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  const made = map.get(name) ?? make();
  map.set(name, made);
  return made;
}
