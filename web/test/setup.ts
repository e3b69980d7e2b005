import 'fake-indexeddb/auto';
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto as Crypto; // node 18 has none
