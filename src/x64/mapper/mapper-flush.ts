import { hex } from '../../addresses.ts';
import { Page } from './page.ts';
import type { PageSize } from './page-size.ts';
import type { VirtAddr } from './virt-addr.ts';

/** Where invalidations go: a running guest, or a list. */
export interface TlbSink {
  /** INVLPG (SDM Vol. 3A §4.10.4.1). */
  invalidatePage(address: VirtAddr): void;
  /** MOV to CR3: every non-global translation. */
  invalidateAll(): void;
}

/** A promise to invalidate that is neither kept nor waived yet. */
export interface OpenPromise {
  /** The page, undefined for all pages. */
  readonly page: VirtAddr | undefined;
  /** The call that made it, e.g. "unmap". */
  readonly call: string;
}

/**
 * The promises that the mappers of one table have made while a TLB was attached. Whoever is about to use
 * the tables asks {@link FlushLedger.assertSettled} first.
 */
export class FlushLedger {
  readonly sink: TlbSink;
  readonly #open = new Set<OpenPromise>();

  constructor(sink: TlbSink) {
    this.sink = sink;
  }

  /** Promises that were neither flushed nor ignored, oldest first. */
  get open(): readonly OpenPromise[] {
    return [...this.#open];
  }

  add(promise: OpenPromise): void {
    this.#open.add(promise);
  }

  settle(promise: OpenPromise): void {
    this.#open.delete(promise);
  }

  /** @throws Error that names every open promise by its page and the call that made it */
  assertSettled(): void {
    if (this.#open.size > 0) throw forgotten(this.open);
  }
}

/** A change of one page's translation that the TLB may not know yet: {@link flush} it or {@link ignore} it. */
export class MapperFlush<S extends PageSize = PageSize> implements OpenPromise {
  readonly #page: Page<S>;
  readonly #ledger: FlushLedger | undefined;
  readonly call: string;
  #settled = false;

  constructor(page: Page<S>, call: string, ledger: FlushLedger | undefined) {
    this.#page = page;
    this.call = call;
    this.#ledger = ledger;
    if (ledger !== undefined) ledger.add(this);
  }

  /** Start address of the page. */
  get page(): VirtAddr {
    return Page.startAddress(this.#page);
  }

  /** Invalidates the page in the attached TLB; without one there is nothing to do. */
  flush(): void {
    this.#ledger?.sink.invalidatePage(this.page);
    this.ignore();
  }

  /** Declares that no flush is needed. */
  ignore(): void {
    this.#settled = true;
    this.#ledger?.settle(this);
  }

  /** For `using`. @throws Error if the promise was neither flushed nor ignored */
  [Symbol.dispose](): void {
    if (!this.#settled) throw forgotten([this]);
  }
}

/** A change that may concern any page: {@link flushAll} or {@link ignore}. */
export class MapperFlushAll implements OpenPromise {
  readonly page = undefined;
  readonly call: string;
  readonly #ledger: FlushLedger | undefined;
  #settled = false;

  constructor(call: string, ledger: FlushLedger | undefined) {
    this.call = call;
    this.#ledger = ledger;
    ledger?.add(this);
  }

  /** Reloads CR3 in the attached machine; without one there is nothing to do. */
  flushAll(): void {
    this.#ledger?.sink.invalidateAll();
    this.ignore();
  }

  /** Declares that no flush is needed. */
  ignore(): void {
    this.#settled = true;
    this.#ledger?.settle(this);
  }

  /** For `using`. @throws Error if the promise was neither flushed nor ignored */
  [Symbol.dispose](): void {
    if (!this.#settled) throw forgotten([this]);
  }
}

function forgotten(promises: readonly OpenPromise[]): Error {
  const list = promises.map(({ page, call }) => `${call} of ${page === undefined ? 'all pages' : hex(page)}`);
  return new Error(
    `TLB flush forgotten: ${list.join(', ')}; call flush() or ignore() on what the mapper returns`,
  );
}
