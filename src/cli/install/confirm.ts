// The question before something is changed.

import { createInterface } from 'node:readline';

/** Where it is asked. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

/**
 * Asks; anything but `y` or `yes` is no, as in istioctl.
 * @throws Error for the user, where nobody can be asked
 */
export function confirm(question: string, { input, output }: Terminal): Promise<boolean> {
  if (!input.isTTY)
    return Promise.reject(
      new Error('standard input is no terminal, so nobody can be asked: -y (--skip-confirmation) goes ahead'),
    );
  return new Promise((resolve) => {
    const lines = createInterface({ input, output });
    let answer: string | undefined;
    lines.question(question, (line) => {
      answer = line;
      lines.close();
    });
    // Also at the end of the input, and at Ctrl-C.
    lines.on('close', () => {
      if (answer === undefined) output.write('\n');
      resolve(/^\s*y(es)?\s*$/i.test(answer ?? ''));
    });
  });
}
