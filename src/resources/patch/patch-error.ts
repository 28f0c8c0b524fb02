// Why a patch can't be applied.

/** A patch that is malformed or does not fit the object. The message is for the one who sent it. */
export class PatchError extends Error {
  /** `malformed`: no object would take it (400). `unprocessable`: this object does not (422). */
  readonly reason: 'malformed' | 'unprocessable';

  constructor(reason: PatchError['reason'], message: string) {
    super(message);
    this.name = 'PatchError';
    this.reason = reason;
  }
}
