import '@tanstack/react-router';

declare module '@tanstack/react-router' {
  interface HistoryState {
    /** Where a title was opened from, for its event. */
    from?: 'row' | 'search' | 'similar' | 'person' | 'list';
  }
}
