// SIGINT and SIGTERM: the first asks for an orderly end, the second for an immediate one.

/** The signals a running command waits for. */
export interface Signals {
  /** Resolves at the first SIGINT or SIGTERM. */
  readonly first: Promise<undefined>;
  /** What to do at the second. */
  onSecond(action: () => void): void;
  /** Stops listening. */
  close(): void;
}

/** Listens for SIGINT and SIGTERM from now on. */
export function signalsOf(process: Pick<NodeJS.Process, 'on' | 'off'>): Signals {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let count = 0;
  let second = () => {};
  const onSignal = () => {
    count += 1;
    if (count === 1) resolve(undefined);
    else second();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    first: promise,
    onSecond(action) {
      second = action;
      if (count > 1) action();
    },
    close() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
