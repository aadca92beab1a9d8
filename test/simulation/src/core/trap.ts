/** What would let the outside into a run: time, chance or input that no seed controls. */
const outside: readonly (readonly [object, string])[] = [
  [Date, 'now'],
  [performance, 'now'],
  [Math, 'random'],
  [crypto, 'randomUUID'],
  [crypto, 'getRandomValues'],
  [AbortSignal, 'timeout'],
  [globalThis, 'setTimeout'],
  [globalThis, 'setInterval'],
  [globalThis, 'fetch'],
]

/** Makes every way past the seed throw, in this thread and for good: code under test takes its ports or fails. */
export function trapOutside(): void {
  for (const [home, name] of outside) {
    const trap = (): never => {
      throw new Error(`Cannot use ${name} in a simulation: it is not under the seed's control`)
    }
    Object.defineProperty(home, name, { value: trap, configurable: true, writable: true })
  }
}
