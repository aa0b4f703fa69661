import type { Address } from '../addresses.ts';
import type { PageAllocator } from './page-allocator.ts';

/** Passes a number of allocations on to another allocator and refuses all further ones, for tests. */
export class FailingAllocator implements PageAllocator {
  /** Allocations that will still succeed. */
  remaining: number;
  readonly #inner: PageAllocator;

  constructor(inner: PageAllocator, remaining: number) {
    this.#inner = inner;
    this.remaining = remaining;
  }

  allocatePage(align: number, size: number, isRoot: boolean): Address | undefined {
    if (this.remaining === 0) return undefined;
    const page = this.#inner.allocatePage(align, size, isRoot);
    if (page !== undefined) this.remaining--;
    return page;
  }

  releasePage(address: Address, size?: number): void {
    this.#inner.releasePage?.(address, size);
    this.remaining++;
  }
}
