// The store's SQLite file: one row an object, one row a claim. Every commit is on the disk before it is acknowledged.

import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { keyId, type ObjectKey, type ResourceObject } from '../resources/object.ts';
import { type Claim, NO_OWNER } from './claims.ts';
import { type OpenFailure, StoreOpenError, StoreWriteError } from './errors.ts';
import type { Edited, Persisted } from './state.ts';
import type { Persistence } from './store.ts';

/** What is left of the journal when it begins anew: one big change (ten thousand files) does not leave its size behind. */
const MAX_JOURNAL_BYTES = 8 * 1024 * 1024;
/** Says that a SQLite file is a store of Limen: `LIMN`. https://www.sqlite.org/pragma.html#pragma_application_id */
const APPLICATION_ID = 0x4c494d4e;

/** What brings a file from one version of the schema (`user_version`) to the next, from an empty file on. Only ever appended to. */
const MIGRATIONS = [
  `CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
   INSERT INTO meta VALUES ('resource_version', 0);
   CREATE TABLE objects (
     api_group TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
     resource_version INTEGER NOT NULL,
     first_version INTEGER NOT NULL, -- when it was added: the order objects are listed in
     json TEXT NOT NULL,
     PRIMARY KEY (api_group, kind, namespace, name)
   ) WITHOUT ROWID;
   CREATE TABLE claims ( -- only of objects that some file has
     api_group TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
     position INTEGER NOT NULL, -- 0 is served
     owner TEXT NOT NULL,
     given TEXT, -- as the owner wrote it
     PRIMARY KEY (api_group, kind, namespace, name, position)
   ) WITHOUT ROWID;`,
];

/** Primary result codes. https://www.sqlite.org/rescode.html */
const SQLITE = { PERM: 3, BUSY: 5, LOCKED: 6, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, NOTADB: 26 };

/** A store's file. */
export class Database implements Persistence {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #unclaim: StatementSync;
  readonly #claim: StatementSync;
  readonly #setVersion: StatementSync;

  /**
   * Opens a file, or makes it, for this process alone and readable by its user alone.
   * @throws StoreOpenError
   */
  constructor(path: string) {
    this.#path = path;
    let db: DatabaseSync | undefined;
    try {
      closeSync(openSync(path, 'a', 0o600)); // so that it is never readable by others; its journal gets the same mode
      chmodSync(path, 0o600);
      db = new DatabaseSync(path);
      // A lock that the system takes away with the process: two writers would not know of each other's objects.
      db.exec('PRAGMA locking_mode = EXCLUSIVE');
      const version = schemaVersion(db, path); // before anything that writes into what may not be ours
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      db.exec(`PRAGMA journal_size_limit = ${MAX_JOURNAL_BYTES}`);
      migrate(db, version);
      this.#put = db.prepare(
        `INSERT INTO objects (api_group, kind, namespace, name, resource_version, first_version, json)
         VALUES (?, ?, ?, ?, ?5, ?5, ?6)
         ON CONFLICT DO UPDATE SET resource_version = excluded.resource_version, json = excluded.json`,
      );
      const isKey = 'api_group = ? AND kind = ? AND namespace = ? AND name = ?';
      this.#delete = db.prepare(`DELETE FROM objects WHERE ${isKey}`);
      this.#unclaim = db.prepare(`DELETE FROM claims WHERE ${isKey}`);
      this.#claim = db.prepare('INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?)');
      this.#setVersion = db.prepare("UPDATE meta SET value = ? WHERE name = 'resource_version'");
      this.#db = db;
    } catch (error) {
      db?.close();
      throw openError(path, error);
    }
  }

  /** @throws StoreOpenError when what it holds is damaged */
  load(): Persisted {
    try {
      const version = this.#db.prepare("SELECT value FROM meta WHERE name = 'resource_version'").get()?.value;
      if (typeof version !== 'number') throw new StoreOpenError(this.#path, 'corrupt', 'has no version of its objects');
      const objects = this.#db
        .prepare('SELECT api_group, kind, namespace, name, json FROM objects ORDER BY first_version')
        .all()
        .map((row) => ({ key: keyOfRow(row), object: JSON.parse(row.json as string) as ResourceObject }));
      return { version, objects, claims: this.#loadClaims() };
    } catch (error) {
      throw openError(this.#path, error);
    }
  }

  save({ version, objects, claims }: Edited): void {
    const db = this.#db;
    try {
      db.exec('BEGIN IMMEDIATE');
      for (const { key, object } of objects.values()) {
        const row = rowOf(key);
        if (object === undefined) this.#delete.run(...row);
        else this.#put.run(...row, Number(object.metadata.resourceVersion), JSON.stringify(object));
      }
      for (const { key, claims: ofKey } of claims.values()) {
        const row = rowOf(key);
        this.#unclaim.run(...row);
        if (ofKey.every(({ owner }) => owner === NO_OWNER)) continue;
        for (const [position, { owner, given }] of ofKey.entries())
          this.#claim.run(...row, position, owner, given === undefined ? null : JSON.stringify(given));
      }
      this.#setVersion.run(version);
      db.exec('COMMIT');
    } catch (error) {
      // SQLite itself has rolled back after some errors. https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction
      if (db.isOpen && db.isTransaction) db.exec('ROLLBACK');
      throw writeError(this.#path, error);
    }
  }

  close(): void {
    this.#db.close();
  }

  #loadClaims(): Persisted['claims'] {
    const byKey = new Map<string, { key: ObjectKey; claims: Claim[] }>();
    for (const row of this.#db.prepare('SELECT * FROM claims ORDER BY position').iterate()) {
      const key = keyOfRow(row);
      const found = byKey.get(keyId(key)) ?? { key, claims: [] };
      const given = row.given === null ? {} : { given: JSON.parse(row.given as string) as ResourceObject };
      found.claims.push({ owner: row.owner as string, ...given });
      byKey.set(keyId(key), found);
    }
    return byKey.values();
  }
}

/** The version of the file's schema, 0 when it is empty. */
function schemaVersion(db: DatabaseSync, path: string): number {
  const pragma = (name: string) => db.prepare(`PRAGMA ${name}`).get()?.[name] as number;
  const version = pragma('user_version');
  const isEmpty = db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.tables === 0;
  if (!isEmpty && pragma('application_id') !== APPLICATION_ID)
    throw new StoreOpenError(path, 'corrupt', 'is a database of another program');
  if (version > MIGRATIONS.length) {
    const message = `was written by a newer Limen (schema ${version}, this one knows up to ${MIGRATIONS.length}); use that one, or another home`;
    throw new StoreOpenError(path, 'newer', message);
  }
  return version;
}

function migrate(db: DatabaseSync, version: number): void {
  for (const [index, migration] of [...MIGRATIONS.entries()].slice(version)) {
    db.exec('BEGIN IMMEDIATE');
    db.exec(migration);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${index + 1}`);
    db.exec('COMMIT');
  }
}

function rowOf({ group, kind, namespace, name }: ObjectKey): [string, string, string, string] {
  return [group, kind, namespace, name];
}

function keyOfRow(row: Record<string, unknown>): ObjectKey {
  const {
    api_group: group,
    kind,
    namespace,
    name,
  } = row as Record<'api_group' | 'kind' | 'namespace' | 'name', string>;
  return { group, kind, namespace, name };
}

/** The primary result code of SQLite, where it is one of its errors. */
function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

function openError(path: string, error: unknown): StoreOpenError {
  if (error instanceof StoreOpenError) return error;
  const message = (error as Error).message;
  const code = resultCode(error);
  const fail = (reason: OpenFailure, text: string) => new StoreOpenError(path, reason, text, error);
  if (code === SQLITE.NOTADB) return fail('corrupt', 'is no database');
  if (code === SQLITE.CORRUPT) return fail('corrupt', `is damaged: ${message}`);
  if (error instanceof SyntaxError) return fail('corrupt', `holds an object that is no JSON: ${message}`);
  // A table or column that should be there by its version is not.
  if (code === 1) return fail('corrupt', `has not the tables it should have: ${message}`);
  if (code === SQLITE.BUSY || code === SQLITE.LOCKED) return fail('in-use', 'is in use by another process');
  return fail('unreadable', `cannot be opened: ${message}`);
}

function writeError(path: string, error: unknown): StoreWriteError {
  const message = (error as Error).message;
  const code = resultCode(error);
  const isFull = code === SQLITE.FULL;
  const why = isFull ? 'the disk is full' : message;
  return new StoreWriteError(`${path} cannot be written, nothing was changed: ${why}`, { cause: error, isFull });
}
