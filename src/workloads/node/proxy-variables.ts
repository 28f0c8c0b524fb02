// The variables that lead a container's calls through its pod's proxy. Pure.

/** Hosts that are the machine itself. Programs read this variable in different ways; names and single addresses are what all understand. */
const DIRECT = 'localhost,127.0.0.1,::1';

/**
 * @param url of the proxy
 * @param own the container's variables: what those say holds
 */
export function proxyVariables(url: string, own: Readonly<Record<string, string>>): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [names, value] of [
    // In lower case for most programs (curl reads only that), in upper case for the others.
    [['http_proxy', 'HTTP_PROXY'], url],
    [['no_proxy', 'NO_PROXY'], DIRECT],
    // Node.js reads the others only then. https://nodejs.org/api/cli.html#node_use_env_proxy1
    [['NODE_USE_ENV_PROXY'], '1'],
  ] as const) {
    if (names.some((name) => own[name] !== undefined)) continue;
    for (const name of names) variables[name] = value;
  }
  return variables;
}
