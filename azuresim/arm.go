// SPDX-License-Identifier: Apache-2.0

package azuresim

import "net/http"

func init() {
	register("arm", hostDef{handler: (*Sim).armHandler, audiences: []string{"https://management.azure.com", "https://management.core.windows.net"}})
}

func (s *Sim) armHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := s.find(r.URL.Path)
		if i < 0 {
			s.fail(w, r, http.StatusNotFound, "ResourceNotFound", "The resource was not found.")
			return
		}
		s.write(w, r, http.StatusOK, s.provider(nil, i))
	})
}
