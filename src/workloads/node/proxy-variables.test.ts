import { describe, expect, it } from 'vitest';
import { proxyVariables } from './proxy-variables.ts';

const URL = 'http://127.1.2.3:15001';

describe('the variables of a pod’s proxy', () => {
  it('lead calls through it, but those to the machine itself, in both spellings', () => {
    expect(proxyVariables(URL, {})).toEqual({
      http_proxy: URL,
      HTTP_PROXY: URL,
      no_proxy: 'localhost,127.0.0.1,::1',
      NO_PROXY: 'localhost,127.0.0.1,::1',
      NODE_USE_ENV_PROXY: '1',
    });
  });

  it('do not stand beside what the container says, in either spelling', () => {
    expect(proxyVariables(URL, { HTTP_PROXY: '' })).not.toHaveProperty('http_proxy');
    expect(proxyVariables(URL, { http_proxy: 'http://corporate.example' })).not.toHaveProperty('HTTP_PROXY');
    expect(proxyVariables(URL, { NO_PROXY: '.example', NODE_USE_ENV_PROXY: '0' })).toEqual({
      http_proxy: URL,
      HTTP_PROXY: URL,
    });
  });
});
