// What can go wrong with the store's file.

/** A change could not be made durable. Nothing was changed, in memory neither, and nobody was told. */
export class StoreWriteError extends Error {
  override readonly name = 'StoreWriteError';
  /** Whether the disk is full (or the file may not grow): the change may work later. */
  readonly isFull: boolean;

  constructor(message: string, options: { cause?: unknown; isFull?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.isFull = options.isFull ?? false;
  }
}

/**
 * Why a file cannot be opened. `corrupt`: it is no database, a damaged one, or another program's; it can be set aside. `newer`: a newer version
 * of Limen wrote it. `in-use`: another process has it open. `unreadable`: permissions, a missing folder, a failing disk.
 */
export type OpenFailure = 'corrupt' | 'newer' | 'in-use' | 'unreadable';

/** The store's file cannot be opened. The file is as it was. */
export class StoreOpenError extends Error {
  override readonly name = 'StoreOpenError';
  readonly path: string;
  readonly reason: OpenFailure;

  constructor(path: string, reason: OpenFailure, message: string, cause?: unknown) {
    super(`${path}: ${message}`, { cause });
    this.path = path;
    this.reason = reason;
  }
}
