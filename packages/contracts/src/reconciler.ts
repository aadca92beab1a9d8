export const reconciler = {} as const
